package simulator

import (
	"encoding/binary"
	"net/http"
	"time"
)

// Faults that no API would answer, but what stands in front of it might:
// http_502, http_429, garbage, empty.

const badGatewayPage = `<html>
<head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center><hr><center>` + serverName + `</center></body>
</html>
`

func badGateway() reply {
	return reply{status: http.StatusBadGateway, kind: "text/html", body: []byte(badGatewayPage), outcome: string(HTTP502)}
}

const tooManyPage = `<html>
<head><title>429 Too Many Requests</title></head>
<body><center><h1>429 Too Many Requests</h1></center><hr><center>` + serverName + `</center></body>
</html>
`

func tooMany(retryAfter time.Duration) reply {
	return reply{
		status: http.StatusTooManyRequests, kind: "text/html", body: []byte(tooManyPage), outcome: string(HTTP429),
		retryAfter: retryAfter,
	}
}

// garbage is 64 to 311 random bytes. No JSON begins with the first.
func (s *Simulator) garbage() reply {
	body := []byte{0xff}
	for range 8 + s.random.next()%32 {
		body = binary.BigEndian.AppendUint64(body, s.random.next())
	}
	return reply{status: http.StatusOK, kind: "application/json", body: body, outcome: string(Garbage)}
}

func empty() reply {
	return reply{status: http.StatusOK, kind: "application/json", body: []byte("{}"), outcome: string(Empty)}
}
