"""The Verifier: what decides, outside the model's reach, whether a droplet is done."""
