"""The methods of the field: each declared once, with its loss, its knobs and the facts that follow from it.

A method is one file with one class derived from `dynsim.methods.method.Method`; `dynsim.methods.catalogue` lists them.
"""
