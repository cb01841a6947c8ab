"""NGINX configuration read and edited byte for byte; start with ``document.py``, then ``tree.py``."""
