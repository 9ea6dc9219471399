"""The explorer as a web page: Voilà on loopback, with a bounded number of visitors."""
