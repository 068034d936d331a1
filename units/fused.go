//go:build amd64 || arm64 || loong64 || ppc64 || ppc64le || riscv64 || s390x

package units

// fused says that the processor multiplies and adds with one rounding. Those of
// amd64 before 2013 do not, and get the same results slowly.
const fused = true
