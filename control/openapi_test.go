package control

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"tunneld/fault"
)

// wire are the schemas of openapi.yaml with the types that they describe.
var wire = map[string]reflect.Type{
	"Status": reflect.TypeFor[Status](), "FileProblem": reflect.TypeFor[Problem](), "Profile": reflect.TypeFor[Profile](),
	"Forward": reflect.TypeFor[Forward](), "Probe": reflect.TypeFor[Probe](), "Error": reflect.TypeFor[Error](), "Outage": reflect.TypeFor[Outage](),
	"Event": reflect.TypeFor[Event](), "Prompt": reflect.TypeFor[Prompt](), "PromptLine": reflect.TypeFor[PromptLine](),
	"HostKeyPrompt": reflect.TypeFor[HostKeyPrompt](), "KnownHostKey": reflect.TypeFor[KnownHostKey](),
	"ReloadResult": reflect.TypeFor[ReloadResult](), "Change": reflect.TypeFor[Change](),
	"CheckResult": reflect.TypeFor[CheckResult](), "Trial": reflect.TypeFor[Trial](), "Problem": reflect.TypeFor[problem](),
	"X11": reflect.TypeFor[X11](), "App": reflect.TypeFor[App](), "RemoteDisplay": reflect.TypeFor[RemoteDisplay](),
	// Requests: what may be left out is up to the route.
	"Answer": reflect.TypeFor[Answer](), "TraceOptions": reflect.TypeFor[TraceOptions](),
	"ReloadOptions": reflect.TypeFor[reloadBody](), "Secret": reflect.TypeFor[secretBody](),
	"SessionRequest": reflect.TypeFor[SessionRequest](), "Terminal": reflect.TypeFor[Terminal](), "WindowSize": reflect.TypeFor[WindowSize](),
	"CheckOptions": reflect.TypeFor[checkBody](), "DisplayOffer": reflect.TypeFor[DisplayOffer](), "X11Request": reflect.TypeFor[X11Request](),
	"SessionExit": reflect.TypeFor[SessionExit](),
}

// isRequest are the schemas of bodies that a client sends.
var isRequest = map[string]bool{"Answer": true, "TraceOptions": true, "ReloadOptions": true, "Secret": true, "SessionRequest": true, "CheckOptions": true, "DisplayOffer": true, "X11Request": true, "Terminal": true}

func openAPI(t *testing.T) *openapi3.T {
	t.Helper()
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return doc
}

// The document has every route, and no other.
func TestOpenAPIHasTheRoutes(t *testing.T) {
	doc := openAPI(t)
	known := map[string]bool{}
	for _, rt := range routes {
		method, path, _ := strings.Cut(rt.pattern, " ")
		known[rt.pattern] = true
		if item := doc.Paths.Value(path); item == nil || item.GetOperation(method) == nil {
			t.Errorf("openapi.yaml lacks %s: add it below paths, with its parameters, body and answers", rt.pattern)
		}
	}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			if !known[method+" "+path] {
				t.Errorf("openapi.yaml has %s %s, which is no route: take it out", method, path)
			}
		}
	}
}

// The schemas are those of the types that are sent.
func TestOpenAPIHasTheTypes(t *testing.T) {
	doc := openAPI(t)
	for name, typ := range wire {
		schema := doc.Components.Schemas[name]
		if schema == nil {
			t.Errorf("openapi.yaml lacks components.schemas.%s", name)
			continue
		}
		var fields, always []string
		for i := range typ.NumField() {
			f := typ.Field(i)
			key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			fields = append(fields, key)
			if !strings.Contains(options, "omitempty") {
				always = append(always, key)
			}
			if property := schema.Value.Properties[key]; property == nil {
				t.Errorf("openapi.yaml lacks %s below components.schemas.%s.properties", key, name)
			} else {
				compareType(t, name+"."+key, property, f.Type)
			}
		}
		for key := range schema.Value.Properties {
			if !slices.Contains(fields, key) {
				t.Errorf("openapi.yaml has %s.%s, which is not sent: take it out", name, key)
			}
		}
		if got := schema.Value.Required; !isRequest[name] && !sameSet(got, always) {
			t.Errorf("openapi.yaml: %s.required is %v, want %v", name, got, always)
		}
	}
}

// compareType compares a schema with a Go type.
func compareType(t *testing.T, where string, s *openapi3.SchemaRef, typ reflect.Type) {
	t.Helper()
	nullable := typ.Kind() == reflect.Pointer
	if nullable {
		typ = typ.Elem()
	}
	ref, kinds := s.Ref, s.Value.Type.Slice()
	for _, either := range s.Value.AnyOf {
		ref, kinds = ref+either.Ref, append(kinds, either.Value.Type.Slice()...)
	}
	if got := slices.Contains(kinds, "null"); got != nullable {
		t.Errorf("openapi.yaml: %s: null is possible: %v, want %v", where, got, nullable)
	}
	if typ.Kind() == reflect.Struct && typ != reflect.TypeFor[time.Time]() && refOf(typ) == "" {
		t.Errorf("%s: add %s to wire, and to components.schemas of openapi.yaml", where, typ)
	}
	if want := refOf(typ); ref != want {
		t.Errorf("openapi.yaml: %s: $ref %q, want %q", where, ref, want)
	}
	if want := kindOf(typ); !slices.Contains(kinds, want) {
		t.Errorf("openapi.yaml: %s: type %v, want %s", where, kinds, want)
	}
	switch {
	case typ == reflect.TypeFor[time.Time]() && s.Value.Format != "date-time":
		t.Errorf("openapi.yaml: %s: want the format date-time", where)
	case typ.Kind() == reflect.Slice:
		compareType(t, where+"[]", s.Value.Items, typ.Elem())
	}
}

// refOf is the reference to the schema of a type that has a name.
func refOf(typ reflect.Type) string {
	names := map[reflect.Type]string{reflect.TypeFor[fault.Code](): "Code", reflect.TypeFor[fault.Step](): "Step"}
	for name, t := range wire {
		names[t] = name
	}
	if name, ok := names[typ]; ok {
		return "#/components/schemas/" + name
	}
	return ""
}

func kindOf(typ reflect.Type) string {
	if typ == reflect.TypeFor[time.Time]() {
		return "string"
	}
	switch typ.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.Float64:
		return "number"
	case reflect.String:
		return "string"
	case reflect.Slice:
		return "array"
	case reflect.Struct, reflect.Map:
		return "object"
	default:
		return "integer"
	}
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// The codes are those of fault, and the empty one.
func TestOpenAPIHasTheCodes(t *testing.T) {
	want := []string{""}
	for _, e := range fault.Table() {
		want = append(want, string(e.Code))
	}
	var got []string
	for _, v := range openAPI(t).Components.Schemas["Code"].Value.Enum {
		code, _ := v.(string)
		got = append(got, code)
	}
	if !slices.Equal(got, want) {
		t.Errorf("openapi.yaml: the enum of components.schemas.Code is\n%q\nwant\n%q", got, want)
	}
}
