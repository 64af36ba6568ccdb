package profiles_test

import "testing"

func checkOwner(*testing.T, string) {}
