"""What tests are made of: small models, small results, processes and loops of their own."""
