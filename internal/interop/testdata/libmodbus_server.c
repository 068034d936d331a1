/*
 * A Modbus/TCP server on libmodbus, for tests.
 *
 *     libmodbus_server PORT
 *
 * Standard input first gives the image, one run of values a line, and closes it
 * with a line of its own:
 *
 *     UNIT coils|discrete|holding|input ADDRESS VALUE...
 *     serve
 *
 * Each table of a unit reaches from address 0 to the highest one given; what no
 * line sets is 0. The server then listens on 127.0.0.1, where PORT 0 lets the
 * system choose, prints the port, and serves any number of connections until
 * standard input ends.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <modbus.h>
#include <netinet/in.h>

enum { ADDRESSES = 65536, UNITS = 256, TABLES = 4, UNIT_OFFSET = 6 };

static const char *const table_names[TABLES] = {"coils", "discrete", "holding", "input"};

struct image {
    unsigned short values[TABLES][ADDRESSES];
    int size[TABLES];
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static int find_table(const char *name)
{
    for (int i = 0; name != NULL && i < TABLES; i++) {
        if (strcmp(name, table_names[i]) == 0)
            return i;
    }
    return -1;
}

static long number(const char *word, long limit)
{
    char *end = NULL;
    long n = word == NULL ? -1 : strtol(word, &end, 10);
    if (n < 0 || n >= limit || *end != '\0')
        fail("number out of range", word == NULL ? "(none)" : word);
    return n;
}

static void read_image(struct image *images[UNITS])
{
    static const char blank[] = " \r\n";
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) >= 0) {
        char *word = strtok(line, blank);
        if (word == NULL)
            continue;
        if (strcmp(word, "serve") == 0) {
            free(line);
            return;
        }
        long unit = number(word, UNITS);
        int table = find_table(strtok(NULL, blank));
        if (table < 0)
            fail("line", "no such table");
        long address = number(strtok(NULL, blank), ADDRESSES);
        if (images[unit] == NULL && (images[unit] = calloc(1, sizeof **images)) == NULL)
            fail("image", "no memory");
        while ((word = strtok(NULL, blank)) != NULL) {
            if (address == ADDRESSES)
                fail("line", "runs past the last address");
            images[unit]->values[table][address++] = (unsigned short)number(word, ADDRESSES);
            if (images[unit]->size[table] < address)
                images[unit]->size[table] = (int)address;
        }
    }
    fail("image", "ends without serve");
}

static modbus_mapping_t *map_image(const struct image *image)
{
    modbus_mapping_t *map =
        modbus_mapping_new(image->size[0], image->size[1], image->size[2], image->size[3]);
    if (map == NULL)
        fail("mapping", modbus_strerror(errno));
    for (int i = 0; i < image->size[0]; i++)
        map->tab_bits[i] = image->values[0][i] != 0;
    for (int i = 0; i < image->size[1]; i++)
        map->tab_input_bits[i] = image->values[1][i] != 0;
    if (image->size[2] > 0)
        memcpy(map->tab_registers, image->values[2], 2 * (size_t)image->size[2]);
    if (image->size[3] > 0)
        memcpy(map->tab_input_registers, image->values[3], 2 * (size_t)image->size[3]);
    return map;
}

static void announce(int listener)
{
    struct sockaddr_in bound;
    socklen_t length = sizeof bound;
    if (getsockname(listener, (struct sockaddr *)&bound, &length) != 0)
        fail("getsockname", strerror(errno));
    printf("%d\n", ntohs(bound.sin_port));
    fflush(stdout);
}

/* answer serves one request; -1 says that the connection is over. */
static int answer(modbus_t *ctx, int connection, modbus_mapping_t *maps[UNITS])
{
    uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
    modbus_set_socket(ctx, connection);
    int length = modbus_receive(ctx, request);
    if (length <= 0)
        return length;
    modbus_mapping_t *map = maps[request[UNIT_OFFSET]];
    if (map == NULL)
        return modbus_reply_exception(ctx, request, MODBUS_EXCEPTION_GATEWAY_TARGET);
    return modbus_reply(ctx, request, length, map);
}

static void serve(modbus_t *ctx, int listener, modbus_mapping_t *maps[UNITS])
{
    fd_set watched;
    FD_ZERO(&watched);
    FD_SET(STDIN_FILENO, &watched);
    FD_SET(listener, &watched);
    for (int top = listener;;) {
        fd_set ready = watched;
        if (select(top + 1, &ready, NULL, NULL, NULL) < 0)
            fail("select", strerror(errno));
        for (int fd = 0; fd <= top; fd++) {
            if (!FD_ISSET(fd, &ready))
                continue;
            if (fd == STDIN_FILENO) {
                char ignored[256];
                if (read(fd, ignored, sizeof ignored) <= 0)
                    return;
            } else if (fd == listener) {
                int connection = accept(listener, NULL, NULL);
                if (connection < 0 || connection >= FD_SETSIZE)
                    fail("accept", strerror(errno));
                FD_SET(connection, &watched);
                if (top < connection)
                    top = connection;
            } else if (answer(ctx, fd, maps) < 0) {
                FD_CLR(fd, &watched);
                close(fd);
            }
        }
    }
}

int main(int argc, char *argv[])
{
    if (argc != 2)
        fail("usage", "libmodbus_server PORT");
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdin, NULL, _IOFBF, 1 << 16);

    static struct image *images[UNITS];
    read_image(images);
    static modbus_mapping_t *maps[UNITS];
    for (int unit = 0; unit < UNITS; unit++) {
        if (images[unit] != NULL)
            maps[unit] = map_image(images[unit]);
    }

    modbus_t *ctx = modbus_new_tcp("127.0.0.1", (int)number(argv[1], ADDRESSES));
    if (ctx == NULL)
        fail("context", modbus_strerror(errno));
    int listener = modbus_tcp_listen(ctx, 16);
    if (listener < 0)
        fail("listen", modbus_strerror(errno));
    announce(listener);
    serve(ctx, listener, maps);
    return 0;
}
