// A client that is the same for every proxy: one thread, epoll, kept
// connections, requests that are ready-made bytes.
//
// usage: load ADDRESS PORT CONNECTIONS SECONDS RATE REQUEST
// RATE 0: each connection sends its next request when the answer is there. Else
// so many requests a second in all, whenever they are due: the time of one that
// has to wait for a free connection counts from when it was due.
//
// It prints one line: requests errors seconds p50 p99 p99.9 (microseconds)
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { HEAD = 16 << 10, PIECE = 256 << 10 };

struct conn { int fd, headlen, busy; long left; double due; char head[HEAD]; };

static char piece[PIECE];
static struct conn *conns, **idle;
static int nconns, nidle, ep, reqlen;
static const char *request;
static struct sockaddr_in to;
static double rate, start, until;
static long sent, done, failed, cap;
static float *took;

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what) { perror(what); exit(1); }

static void dial(struct conn *c) {
	int one = 1;
	c->headlen = c->left = c->busy = 0;
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0 || connect(c->fd, (void *)&to, sizeof to)) die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
	if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e)) die("epoll_ctl");
}

static void ask(struct conn *c, double due) {
	c->busy = 1;
	c->due = due;
	sent++;
	if (send(c->fd, request, reqlen, MSG_NOSIGNAL) != reqlen) failed++;
}

// dispatch sends what is due on the connections that are free.
static void dispatch(double t) {
	while (nidle > 0 && t < until) {
		double due = rate > 0 ? start + sent / rate : t;
		if (due > t) return;
		ask(idle[--nidle], due);
	}
}

static void finished(struct conn *c) {
	double t = now();
	if (done == cap && !(took = realloc(took, (cap = cap ? 2 * cap : 1 << 16) * sizeof *took))) die("realloc");
	took[done++] = (t - c->due) * 1e6;
	c->busy = 0;
	idle[nidle++] = c;
	dispatch(t);
}

static void again(struct conn *c) {
	if (c->busy) { failed++; }
	else for (int i = 0; i < nidle; i++) if (idle[i] == c) { idle[i] = idle[--nidle]; break; }
	close(c->fd);
	dial(c);
	idle[nidle++] = c;
}

// readable takes an answer, or a part of one.
static void readable(struct conn *c) {
	if (c->left > 0) {
		long n = recv(c->fd, piece, c->left < PIECE ? c->left : PIECE, MSG_DONTWAIT);
		if (n <= 0) { if (n == 0 || errno != EAGAIN) again(c); return; }
		if ((c->left -= n) == 0) finished(c);
		return;
	}
	long n = recv(c->fd, piece, PIECE, MSG_DONTWAIT);
	if (n <= 0) { if (n == 0 || errno != EAGAIN) again(c); return; }
	int take = HEAD - 1 - c->headlen < n ? HEAD - 1 - c->headlen : n;
	memcpy(c->head + c->headlen, piece, take);
	int before = c->headlen;
	c->headlen += take;
	c->head[c->headlen] = 0;
	char *end = strstr(c->head, "\r\n\r\n");
	if (!end) { if (c->headlen == HEAD - 1) again(c); return; }
	char *length = strcasestr(c->head, "\r\ncontent-length:");
	if (!c->busy || !length || length > end || strncmp(c->head + 8, " 200", 4)) { again(c); return; }
	c->left = atol(length + 17) - (n - (end + 4 - c->head - before));
	c->headlen = 0;
	if (c->left < 0) { again(c); return; }
	if (c->left == 0) finished(c);
}

static int compare(const void *a, const void *b) {
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

static double quantile(double q) {
	long rank = q * done;
	if (rank < q * done) rank++;
	return done ? took[(rank < 1 ? 1 : rank) - 1] : 0;
}

int main(int argc, char **argv) {
	if (argc != 7) { fprintf(stderr, "usage: load ADDRESS PORT CONNECTIONS SECONDS RATE REQUEST\n"); return 2; }
	to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
	inet_pton(AF_INET, argv[1], &to.sin_addr);
	nconns = atoi(argv[3]);
	rate = atof(argv[5]);
	request = argv[6];
	reqlen = strlen(request);
	conns = calloc(nconns, sizeof *conns);
	idle = calloc(nconns, sizeof *idle);
	if (!conns || !idle) die("calloc");
	if ((ep = epoll_create1(0)) < 0) die("epoll_create1");
	for (int i = 0; i < nconns; i++) { dial(&conns[i]); idle[nidle++] = &conns[i]; }
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	long ns = rate > 0 ? 1e9 / rate : 1e7;
	struct itimerspec tick = {{0, ns}, {0, ns}};
	struct epoll_event e = {.events = EPOLLIN}, all[256];
	if (timer < 0 || timerfd_settime(timer, 0, &tick, 0) || epoll_ctl(ep, EPOLL_CTL_ADD, timer, &e)) die("timerfd");
	start = now();
	until = start + atof(argv[4]);
	dispatch(start);
	double t;
	while ((t = now()) < until) {
		int n = epoll_wait(ep, all, 256, 100);
		for (int i = 0; i < n; i++) {
			if (all[i].data.ptr) { readable(all[i].data.ptr); continue; }
			uint64_t ticks;
			if (read(timer, &ticks, sizeof ticks) > 0) dispatch(now());
		}
		if (nidle > 0) dispatch(now());
	}
	qsort(took, done, sizeof *took, compare);
	printf("%ld %ld %.6f %.1f %.1f %.1f\n", done, failed, t - start, quantile(0.5), quantile(0.99), quantile(0.999));
}
