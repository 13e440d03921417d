"""The pages of administrators: our own API, and those of the gateways that canalgate takes the place of."""
