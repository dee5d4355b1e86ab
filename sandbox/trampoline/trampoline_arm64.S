// aarch64-linux-gnu-as -o t.o trampoline_arm64.S && aarch64-linux-gnu-objcopy -O binary -j .text t.o t.bin
	.text
	.globl _start
_start:
	ldr	x19, [sp]		// argc
	add	x20, sp, #8		// argv
	add	x21, x20, x19, lsl #3
	add	x21, x21, #8		// envp
	mov	x8, #172		// getpid
	svc	#0
	ldr	x22, [x21]
	ldrb	w2, [x22]		// an empty entry: no LISTEN_PID is wanted
	cbnz	w2, 0f
	add	x21, x21, #8
	b	5f
0:	mov	x1, x22
1:	ldrb	w2, [x1]		// to the end of "LISTEN_PID=0000000000"
	cbz	w2, 2f
	add	x1, x1, #1
	b	1b
2:	mov	w3, #10
3:	udiv	w4, w0, w3		// digits, the last first
	msub	w5, w4, w3, w0
	add	w5, w5, #48
	strb	w5, [x1, #-1]!
	mov	w0, w4
	cbnz	w0, 3b
	mov	x2, #11
4:	sub	x2, x2, #1		// "LISTEN_PID=" moves up to the first digit
	ldrb	w5, [x22, x2]
	strb	w5, [x1, #-1]!
	cbnz	x2, 4b
	str	x1, [x21]
5:	mov	x0, #4			// fcntl(4, F_SETFD, FD_CLOEXEC)
	mov	x1, #2
	mov	x2, #1
	mov	x8, #25
	svc	#0
	mov	x0, #5			// fcntl(5, F_SETFD, FD_CLOEXEC)
	mov	x1, #2
	mov	x8, #25
	svc	#0
	adr	x2, filter
	ldrh	w3, [x2]
	cbz	w3, 6f
	mov	x0, #1			// seccomp(SECCOMP_SET_MODE_FILTER, 0, filter)
	mov	x1, #0
	mov	x8, #277
	svc	#0
	cbnz	w0, 7f
6:	ldr	x0, [x20]		// execve(argv[0], argv + 1, envp)
	add	x1, x20, #8
	mov	x2, x21
	mov	x8, #221
	svc	#0
7:	neg	w0, w0			// write(4, &errno, 4)
	str	x0, [sp, #-16]!
	mov	x0, #4
	mov	x1, sp
	mov	x2, #4
	mov	x8, #64
	svc	#0
	mov	x0, #127		// exit_group(127)
	mov	x8, #94
	svc	#0
	.balign	8
filter:					// struct sock_fprog, and what it points to
