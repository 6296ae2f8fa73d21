package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/corewatch/corewatch/store/sqlite"
)

func main() {
	s, err := sqlite.OpenReadOnly(context.Background(), os.Args[1])
	if err != nil {
		panic(err)
	}
	a, _ := time.Parse(time.RFC3339, os.Args[3])
	b, _ := time.Parse(time.RFC3339, os.Args[4])
	l, err := s.Samples(context.Background(), os.Args[2], "bgp.v4", a, b)
	if err != nil {
		panic(err)
	}
	for _, x := range l {
		fmt.Println(x.At, "units", x.Lost, "/", x.Expected, "unobs", x.Unobservable, "pfx", x.LostPrefixes, "/", x.Prefixes, x.Voting, x.NoData)
	}
}
