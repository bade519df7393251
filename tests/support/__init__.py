"""What tests share: servers, clocks, builders."""
