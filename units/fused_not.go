//go:build !(amd64 || arm64 || loong64 || ppc64 || ppc64le || riscv64 || s390x)

package units

// fused says that math.FMA is software here: integers are faster.
const fused = false
