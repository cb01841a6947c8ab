"""The provisioning script's drivers: an application on its node, and NGINX where there is none yet."""
