package profiles_test

import (
	"reflect"
	"testing"

	"tunneld/profiles"
)

func TestWay(t *testing.T) {
	s := profiles.Server{User: "ana", ProxyJump: []string{"profile:edge", "gw", "bo@gw:2222", "::1", "[fe80::2]:22", "eve@10.0.0.1"}}
	profile, hops := s.Way()
	want := []profiles.Hop{{"ana", "gw", 22}, {"bo", "gw", 2222}, {"ana", "::1", 22}, {"ana", "fe80::2", 22}, {"eve", "10.0.0.1", 22}}
	if profile != "edge" || !reflect.DeepEqual(hops, want) {
		t.Errorf("%q %+v", profile, hops)
	}
}
