// aarch64-linux-gnu-as -o t.o rlimit_arm64.S && aarch64-linux-gnu-objcopy -O binary -j .text t.o t.bin
	.text
	.globl _start
_start:
	ldr	x19, [sp]		// argc
	add	x20, sp, #8		// argv
	add	x21, x20, x19, lsl #3
	add	x21, x21, #8		// envp
	adr	x22, data
	mov	x0, #0			// prlimit64(0, RLIMIT_NOFILE, data, 0)
	mov	x1, #7
	mov	x2, x22
	mov	x3, #0
	mov	x8, #261
	svc	#0
	cbnz	w0, 1f
	ldr	w0, [x22, #16]		// fcntl(error, F_SETFD, FD_CLOEXEC)
	mov	x1, #2
	mov	x2, #1
	mov	x8, #25
	svc	#0
	ldr	w0, [x22, #20]		// fcntl(program, F_SETFD, FD_CLOEXEC)
	mov	x1, #2
	mov	x2, #1
	mov	x8, #25
	svc	#0
	ldr	x0, [x20]		// execve(argv[0], argv + 1, envp)
	add	x1, x20, #8
	mov	x2, x21
	mov	x8, #221
	svc	#0
1:	neg	w0, w0			// write(error, &errno, 4)
	str	x0, [sp, #-16]!
	ldr	w0, [x22, #16]
	mov	x1, sp
	mov	x2, #4
	mov	x8, #64
	svc	#0
	mov	x0, #127		// exit_group(127)
	mov	x8, #94
	svc	#0
	.balign	8
data:
