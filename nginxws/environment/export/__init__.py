"""The environment, said in the words of other tools: one module a format. Pure text out."""
