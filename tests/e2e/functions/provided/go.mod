module e2e/bootstrap

go 1.24
