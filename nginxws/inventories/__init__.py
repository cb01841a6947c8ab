"""Nodes from elsewhere than the manifest: an Ansible inventory, and environment variables. Pure.

``ansible.py`` reads what ``ansible-inventory --list`` prints, ``hosts.py`` knows what a host's variables mean
to us, ``variables.py`` reads the environment, ``joining.py`` puts all of that into a manifest.
"""
