// Package browsertest holds the tests of the page scripts in a real browser:
// a small shop with a backend, the real gateway and the simulated Captcha API.
// There is nothing in it but tests.
package browsertest
