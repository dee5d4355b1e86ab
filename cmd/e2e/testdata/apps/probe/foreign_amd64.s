#include "textflag.h"

// func int80(trap, a1 uintptr) (result int32)
TEXT ·int80(SB), NOSPLIT, $0-20
	MOVQ trap+0(FP), AX
	MOVQ a1+8(FP), BX
	INT  $0x80
	MOVL AX, result+16(FP)
	RET
