# as -o t.o init_amd64.S && objcopy -O binary -j .text t.o t.bin
	.intel_syntax noprefix
	.text
	.globl _start
_start:
	lea	rdi, [rip+proc]		# mount("proc", "/proc", "proc", MS_NOSUID|MS_NODEV|MS_NOEXEC, 0)
	lea	rsi, [rip+slashproc]
	mov	rdx, rdi
	mov	r10d, 14
	xor	r8d, r8d
	mov	eax, 165
	syscall
	mov	ebx, eax
	lea	rdi, [rip+cgroup]	# mount("cgroup2", "/sys/fs/cgroup", "cgroup2", the same and MS_RDONLY, 0):
	lea	rsi, [rip+slashcgroup]	# not every host has it
	mov	rdx, rdi
	mov	r10d, 15
	mov	eax, 165
	syscall
	mov	edi, 17			# rt_sigaction(SIGCHLD, SIG_IGN): the kernel reaps
	lea	rsi, [rip+ignore]
	xor	edx, edx
	mov	r10d, 8
	mov	eax, 13
	syscall
	xor	edi, edi		# setgroups(0, 0)
	xor	esi, esi
	mov	eax, 116
	syscall
	or	ebx, eax
	mov	edi, 65534		# setgid(nobody)
	mov	eax, 106
	syscall
	or	ebx, eax
	mov	edi, 65534		# setuid(nobody)
	mov	eax, 105
	syscall
	or	ebx, eax
	neg	ebx
	push	rbx			# write(3, &errno, 4)
	mov	edi, 3
	mov	rsi, rsp
	mov	edx, 4
	mov	eax, 1
	syscall
	mov	edi, 3			# close(3)
	mov	eax, 3
	syscall
1:	mov	eax, 34			# pause()
	syscall
	jmp	1b
	.balign	8
ignore:	.quad	1, 0, 0, 0
proc:	.asciz	"proc"
slashproc: .asciz "/proc"
cgroup:	.asciz	"cgroup2"
slashcgroup: .asciz "/sys/fs/cgroup"
	.balign	8
