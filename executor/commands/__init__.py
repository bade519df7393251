"""Commands on their way: taken in, in turn, judged, sent."""
