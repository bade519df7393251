"""The executor under crashes and a broker that misbehaves, judged by the broker's own record."""
