"""The explorer: sliders, and a picture that follows them.

`setting` is what the controls say; `subject`, `live_run`, `picture` and `scenery` turn it into data without
knowing of widgets; `live_view` and `controls` show and set it; `serving` makes a web page of it.
"""
