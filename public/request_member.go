package public

// A member is one of those that the object of POST /v1/verify may have.
type member int

const (
	noMember member = iota
	memberTicket
	memberRandstr
	memberChallenge
	memberUserIP
	memberScene
	memberType
	memberSubject
	memberReference
	memberAppID
	members // how many there are
)

var memberNames = [members]string{
	memberTicket: "ticket", memberRandstr: "randstr", memberChallenge: "challenge", memberUserIP: "user_ip", memberScene: "scene",
	memberType: "type", memberSubject: "subject", memberReference: "reference", memberAppID: "captcha_app_id",
}

// memberOf returns noMember for a name that is none of theirs. It is a switch
// because that makes no string of the name: this is the hot path.
func memberOf(name []byte) member {
	switch string(name) {
	case "ticket":
		return memberTicket
	case "randstr":
		return memberRandstr
	case "challenge":
		return memberChallenge
	case "user_ip":
		return memberUserIP
	case "scene":
		return memberScene
	case "type":
		return memberType
	case "subject":
		return memberSubject
	case "reference":
		return memberReference
	case "captcha_app_id":
		return memberAppID
	}
	return noMember
}

// ofUser reports whether a user controls the member's value: nothing in it is
// the backend's mistake.
func (m member) ofUser() bool {
	return m == memberTicket || m == memberRandstr || m == memberChallenge
}
