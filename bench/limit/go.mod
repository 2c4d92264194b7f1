module limit

go 1.25
