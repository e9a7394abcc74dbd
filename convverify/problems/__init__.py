"""Problems: the geometry and dtype of a convolution, its forms in one line of text, and the suites of real ones."""
