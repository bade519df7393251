"""Dashboards as data, and the JSON that Grafana reads made of them."""
