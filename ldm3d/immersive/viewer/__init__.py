"""A panorama with distances as one HTML file, in which one looks around and moves a little, without a network."""
