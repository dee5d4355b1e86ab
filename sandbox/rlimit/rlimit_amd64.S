# as -o t.o rlimit_amd64.S && objcopy -O binary -j .text t.o t.bin
	.intel_syntax noprefix
	.text
	.globl _start
_start:
	mov	rax, [rsp]		# argc
	lea	r12, [rsp+8]		# argv
	lea	r13, [r12+rax*8+8]	# envp
	lea	r14, [rip+data]
	xor	edi, edi		# prlimit64(0, RLIMIT_NOFILE, data, 0)
	mov	esi, 7
	mov	rdx, r14
	xor	r10d, r10d
	mov	eax, 302
	syscall
	test	eax, eax
	js	1f
	mov	edi, [r14+16]		# fcntl(error, F_SETFD, FD_CLOEXEC)
	mov	esi, 2
	mov	edx, 1
	mov	eax, 72
	syscall
	mov	edi, [r14+20]		# fcntl(program, F_SETFD, FD_CLOEXEC)
	mov	eax, 72
	syscall
	mov	rdi, [r12]		# execve(argv[0], argv + 1, envp)
	lea	rsi, [r12+8]
	mov	rdx, r13
	mov	eax, 59
	syscall
1:	neg	eax			# write(error, &errno, 4)
	push	rax
	mov	edi, [r14+16]
	mov	rsi, rsp
	mov	edx, 4
	mov	eax, 1
	syscall
	mov	edi, 127		# exit_group(127)
	mov	eax, 231
	syscall
	.balign	8
data:
