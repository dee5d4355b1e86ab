/* The smallest web app there is: what it takes to start is fork and exec. It
 * serves the listening socket on descriptor 3 and up to 63 kept connections. An
 * argument makes it wait that many ms first: an app whose start is known. */
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 64

static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
static char request[16384];

/* serve answers one request; 0 when the connection is over. */
static int serve(int c) {
	return read(c, request, sizeof request) > 0 && write(c, reply, sizeof reply - 1) > 0;
}

int main(int argc, char **argv) {
	if (argc > 1)
		poll(0, 0, atoi(argv[1]));
	static struct pollfd all[MOST] = {{.fd = 3, .events = POLLIN}};
	int n = 1;
	for (;;) {
		if (poll(all, n, -1) < 0)
			return 1;
		for (int i = n - 1; i > 0; i--)
			if (all[i].revents && !serve(all[i].fd)) {
				close(all[i].fd);
				all[i] = all[--n];
			}
		if (all[0].revents && n < MOST)
			all[n++] = (struct pollfd){.fd = accept(3, 0, 0), .events = POLLIN};
	}
}
