// Package tc3 signs requests to Tencent Cloud's API and checks the signatures of
// requests that were made for it: TC3-HMAC-SHA256 both ways, and of the older forms
// HmacSHA256 and HmacSHA1 (signature version 1) the check.
//
// What is signed is in Tencent Cloud's documentation ("Signature v3", "Signature");
// what clients really sign is in their SDKs, and differs: some sign the host with its
// port and some without, header values as they are sent or in lower case, the path as
// it is sent or "/".
package tc3
