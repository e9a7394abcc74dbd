"""The template, the style sheet and the script of the HTML report."""
