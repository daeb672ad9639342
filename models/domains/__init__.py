"""The domains of the product, one folder each; `eddy.app.domains` is the table of them."""
