"""The answer at the top of each page, in words. Each claim in it is a link to its proof."""
