"""What commands print, as text and as JSON; start with ``text.py``, then ``document.py``."""
