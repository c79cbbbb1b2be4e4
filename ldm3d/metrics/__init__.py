"""Measures of pictures and depth, each a function of tensors that gives a number for each picture."""
