"""The gallery: a file per figure, with what is computed, its verdict and its drawing; stored runs beside it."""
