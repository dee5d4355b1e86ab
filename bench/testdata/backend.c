// A backend that costs next to nothing, so that a proxy in front of it is what
// is measured: one thread, epoll, kept connections. GET /N is answered with N
// bytes; a body of Content-Length is read and thrown away.
//
// usage: backend SOCKET, or with a listening socket as descriptor 3 (LISTEN_FDS)
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum { HEAD = 16 << 10, PIECE = 256 << 10 };

struct conn {
	int fd, headlen;
	long skip;                // of a request's body
	long left;                // of an answer's body
	int anslen, anssent;      // its head
	char ans[160], head[HEAD];
};

static char zeroes[PIECE], sink[PIECE];
static int ep;

static void die(const char *what) { perror(what); exit(1); }

static void drop(struct conn *c) { close(c->fd); free(c); }

static void watch(struct conn *c, unsigned events) {
	struct epoll_event e = {.events = events, .data.ptr = c};
	if (epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e)) die("epoll_ctl");
}

// answer makes the head of an answer to the request in c->head.
static void answer(struct conn *c, char *end) {
	*end = 0;
	char *path = strchr(c->head, ' ');
	c->left = path ? atol(path + 2) : 0;
	char *length = strcasestr(c->head, "\r\ncontent-length:");
	c->skip = length ? atol(length + 17) : 0;
	c->anslen = snprintf(c->ans, sizeof c->ans, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\nContent-Length: %ld\r\n\r\n", c->left);
	c->anssent = 0;
}

// flush sends what it can: 1 = all, 0 = later, -1 = the other side is gone.
static int flush(struct conn *c) {
	while (c->anssent < c->anslen || c->left > 0) {
		struct iovec v[2] = {{c->ans + c->anssent, c->anslen - c->anssent}, {zeroes, c->left < PIECE ? c->left : PIECE}};
		struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
		long n = sendmsg(c->fd, &m, MSG_NOSIGNAL);
		if (n < 0) {
			if (errno != EAGAIN) return -1;
			watch(c, EPOLLOUT);
			return 0;
		}
		long h = c->anslen - c->anssent;
		if (h > n) h = n;
		c->anssent += h;
		c->left -= n - h;
	}
	return 1;
}

// serve handles what is in c->head; 0 = wait, -1 = gone.
static int serve(struct conn *c) {
	while (c->headlen > 0) {
		char *end = memmem(c->head, c->headlen, "\r\n\r\n", 4);
		if (!end) return c->headlen < HEAD - 1 ? 0 : -1;
		answer(c, end);
		int used = end + 4 - c->head, rest = c->headlen - used;
		long body = c->skip < rest ? c->skip : rest;
		c->skip -= body;
		c->headlen = rest - body;
		memmove(c->head, c->head + used + body, c->headlen);
		if (c->skip > 0) return 0;
		int done = flush(c);
		if (done < 1) return done;
	}
	return 0;
}

static int readable(struct conn *c) {
	for (;;) {
		long n = c->skip > 0 ? recv(c->fd, sink, c->skip < PIECE ? c->skip : PIECE, 0) : recv(c->fd, c->head + c->headlen, HEAD - 1 - c->headlen, 0);
		if (n == 0) return -1;
		if (n < 0) return errno == EAGAIN ? 0 : -1;
		if (c->skip > 0) {
			c->skip -= n;
			if (c->skip == 0) {
				int done = flush(c);
				if (done < 1) return done;
			}
			continue;
		}
		c->headlen += n;
		int r = serve(c);
		if (r < 0) return r;
		if (c->skip == 0) return 0; // one read per wake-up: what came since wakes us again
	}
}

int main(int argc, char **argv) {
	signal(SIGPIPE, SIG_IGN);
	int l = 3;
	if (argc > 1) {
		struct sockaddr_un a = {.sun_family = AF_UNIX};
		strncpy(a.sun_path, argv[1], sizeof a.sun_path - 1);
		l = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (l < 0 || bind(l, (void *)&a, sizeof a) || listen(l, 4096)) die(argv[1]);
	}
	fcntl(l, F_SETFL, fcntl(l, F_GETFL) | O_NONBLOCK);
	if ((ep = epoll_create1(0)) < 0) die("epoll_create1");
	struct epoll_event e = {.events = EPOLLIN}, all[256];
	if (epoll_ctl(ep, EPOLL_CTL_ADD, l, &e)) die("epoll_ctl");
	for (;;) {
		int n = epoll_wait(ep, all, 256, -1);
		for (int i = 0; i < n; i++) {
			struct conn *c = all[i].data.ptr;
			if (!c) {
				for (int fd; (fd = accept4(l, 0, 0, SOCK_NONBLOCK)) >= 0;) {
					if (!(c = calloc(1, sizeof *c))) die("calloc");
					c->fd = fd;
					struct epoll_event in = {.events = EPOLLIN, .data.ptr = c};
					if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &in)) die("epoll_ctl");
				}
				continue;
			}
			int r = 0;
			if (all[i].events & EPOLLOUT) {
				r = flush(c);
				if (r > 0) { watch(c, EPOLLIN); r = serve(c); }
			} else r = readable(c);
			if (r < 0) drop(c);
		}
	}
}
