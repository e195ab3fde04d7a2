package sla

// DetailFor is how long a fleet knows of each minute how many requests it had.
const DetailFor = detailFor
