"""Checks on whole configurations: the corpus beside this file, and any other folder."""
