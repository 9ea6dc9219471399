"""Settings of the documentation: `make docs` builds it into docs/_build as plain files that need no network."""

from pathlib import Path

import dynsim
from dynsim.pages.article import article_numbers, write_article
from dynsim.pages.drawings import house
from dynsim.pages.site import write_site_sources

HERE = Path(__file__).parent

project = "dynsim"
author = "The dynsim developers"
copyright = "the dynsim developers"
release = version = dynsim.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "dynsim.pages.sphinx_extension",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist", "substitution"]
myst_substitutions = {**article_numbers(), "house": house()}
myst_heading_anchors = 3
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
autodoc_typehints = "none"
add_module_names = False

html_theme = "furo"  # system fonts, light and dark, an offline search, and no request to anywhere
html_title = f"dynsim {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["generated/extra"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_math_renderer = "mathml"
copybutton_prompt_text = ">>> "

# Pages that say what the product knows are written by the product, anew at every build.
write_site_sources(HERE / "generated")
write_article(
    HERE / "article.md",
    HERE / "generated" / "extra" / "why-does-it-not-collapse.html",
    pages=HERE / "generated" / "extra",
)
