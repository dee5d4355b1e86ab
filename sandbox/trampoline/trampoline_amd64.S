# as -o t.o trampoline_amd64.S && objcopy -O binary -j .text t.o t.bin
	.intel_syntax noprefix
	.text
	.globl _start
_start:
	mov	rax, [rsp]		# argc
	lea	r12, [rsp+8]		# argv
	lea	r13, [r12+rax*8+8]	# envp
	mov	eax, 39			# getpid
	syscall
	mov	r14, [r13]
	cmp	byte ptr [r14], 0	# an empty entry: no LISTEN_PID is wanted
	jne	0f
	add	r13, 8
	jmp	5f
0:	mov	rsi, r14
1:	cmp	byte ptr [rsi], 0	# to the end of "LISTEN_PID=0000000000"
	je	2f
	inc	rsi
	jmp	1b
2:	mov	ecx, 10
3:	xor	edx, edx		# digits, the last first
	div	ecx
	add	dl, '0'
	dec	rsi
	mov	[rsi], dl
	test	eax, eax
	jnz	3b
	mov	ecx, 11
4:	dec	rsi			# "LISTEN_PID=" moves up to the first digit
	mov	al, [r14+rcx-1]
	mov	[rsi], al
	dec	ecx
	jnz	4b
	mov	[r13], rsi
5:	mov	edi, 4			# fcntl(4, F_SETFD, FD_CLOEXEC)
	mov	esi, 2
	mov	edx, 1
	mov	eax, 72
	syscall
	mov	edi, 5			# fcntl(5, F_SETFD, FD_CLOEXEC)
	mov	eax, 72
	syscall
	cmp	word ptr [rip+filter], 0
	je	6f
	mov	edi, 1			# seccomp(SECCOMP_SET_MODE_FILTER, 0, filter)
	xor	esi, esi
	lea	rdx, [rip+filter]
	mov	eax, 317
	syscall
	test	eax, eax
	jnz	7f
6:	mov	rdi, [r12]		# execve(argv[0], argv + 1, envp)
	lea	rsi, [r12+8]
	mov	rdx, r13
	mov	eax, 59
	syscall
7:	neg	eax			# write(4, &errno, 4)
	push	rax
	mov	edi, 4
	mov	rsi, rsp
	mov	edx, 4
	mov	eax, 1
	syscall
	mov	edi, 127		# exit_group(127)
	mov	eax, 231
	syscall
	.balign	8
filter:					# struct sock_fprog, and what it points to
