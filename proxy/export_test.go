package proxy

// AcceptedEncodings is open to the tests of its table.
var AcceptedEncodings = acceptedEncodings
