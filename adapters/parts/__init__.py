"""What several adapters are made of. Private: adapters of others build on what stands beside this folder."""
