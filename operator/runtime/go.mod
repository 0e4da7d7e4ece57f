module thaw.dev/runtime

go 1.25
