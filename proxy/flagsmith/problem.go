package flagsmith

import (
	"strconv"

	"github.com/flagstaff-io/flagstaff/evaluator/pyjson"
)

// A problem is the body of an error answer in the shapes of Django REST framework: a list of messages, or an object of
// problems by field. nil: there is none. Errors are rare, so these are built by plain appending.
type problem []byte

// messages is `["text"]`: what is wrong with one value.
func messages(text string) problem {
	p := append(problem(nil), '[')
	p = pyjson.AppendString(p, text)
	return append(p, ']')
}

// detail is `{"detail":"text"}`: what is wrong with the whole request.
func detail(text string) problem {
	return (&problems{}).add("detail", problem(pyjson.AppendString(nil, text))).object()
}

// nonField is `{"non_field_errors":["text"]}`: what is wrong with a whole object.
func nonField(text string) problem {
	return (&problems{}).add("non_field_errors", messages(text)).object()
}

// problems gathers what is wrong field by field, in the order of the fields.
type problems struct{ body problem }

// add notes the problem of a field, if there is one.
func (ps *problems) add(field string, p problem) *problems {
	if p == nil {
		return ps
	}
	if ps.body == nil {
		ps.body = append(ps.body, '{')
	} else {
		ps.body = append(ps.body, ',')
	}
	ps.body = pyjson.AppendString(ps.body, field)
	ps.body = append(ps.body, ':')
	ps.body = append(ps.body, p...)
	return ps
}

// object returns all that was noted, or nil.
func (ps *problems) object() problem {
	if ps.body == nil {
		return nil
	}
	return append(ps.body, '}')
}

// problemList keeps a problem for each element of a list, `{}` for the good ones.
type problemList struct {
	body problem
	bad  bool
}

func (pl *problemList) add(p problem) {
	if pl.body == nil {
		pl.body = append(pl.body, '[')
	} else {
		pl.body = append(pl.body, ',')
	}
	if p == nil {
		p = problem("{}")
	} else {
		pl.bad = true
	}
	pl.body = append(pl.body, p...)
}

// list returns all, or nil when every element was good.
func (pl *problemList) list() problem {
	if !pl.bad {
		return nil
	}
	return append(pl.body, ']')
}

// The messages of Django REST framework.
const (
	msgRequired    = "This field is required."
	msgNull        = "This field may not be null."
	msgBlank       = "This field may not be blank."
	msgNotString   = "Not a valid string."
	msgNotBoolean  = "Must be a valid boolean."
	msgNotInteger  = "A valid integer is required."
	msgNoNUL       = "Null characters are not allowed."
	msgNoData      = "No data provided"
	msgIntTooLong  = "String value too large."
	msgLongString  = "Value string is too long. Must be less than 2000 character" // sic
	msgBadRequest  = "Invalid request data"
	msgSetTraits   = "Setting traits not allowed with client key."
	msgStoreTraits = "Organisation is not authorised to store traits."
)

func msgTooLong(limit int) string {
	return "Ensure this field has no more than " + strconv.Itoa(limit) + " characters."
}

func msgNotObject(kind string) string {
	return "Invalid data. Expected a dictionary, but got " + kind + "."
}

func msgNotList(kind string) string {
	return "Expected a list of items but got type \"" + kind + "\"."
}
