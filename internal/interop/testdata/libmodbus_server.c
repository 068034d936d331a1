/*
 * A Modbus server on libmodbus, for tests.
 *
 *     libmodbus_server tcp|tcp-flushing PORT
 *     libmodbus_server rtu DEVICE
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
 * standard input ends. On a serial line it serves the first unit of the image,
 * since libmodbus serves one, and prints 0.
 *
 * tcp-flushing drops what is waiting on a connection before it refuses absent
 * registers, as libmodbus itself does before it refuses a quantity or a function.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <modbus.h>
#include <netinet/in.h>

enum { ADDRESSES = 65536, UNITS = 256, TABLES = 4, BAUD = 115200 };

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

/* read_image returns the first unit named. */
static int read_image(struct image *images[UNITS])
{
    static const char blank[] = " \r\n";
    char *line = NULL;
    size_t capacity = 0;
    int first = -1;
    while (getline(&line, &capacity, stdin) >= 0) {
        char *word = strtok(line, blank);
        if (word == NULL)
            continue;
        if (strcmp(word, "serve") == 0) {
            free(line);
            return first;
        }
        long unit = number(word, UNITS);
        if (first < 0)
            first = (int)unit;
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
    return -1;
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

static void announce(int port)
{
    printf("%d\n", port);
    fflush(stdout);
}

static int port_of(int listener)
{
    struct sockaddr_in bound;
    socklen_t length = sizeof bound;
    if (getsockname(listener, (struct sockaddr *)&bound, &length) != 0)
        fail("getsockname", strerror(errno));
    return ntohs(bound.sin_port);
}

/* absent tells whether a request is for registers past the end of their table. */
static bool absent(const uint8_t *pdu, const modbus_mapping_t *map)
{
    int end = (pdu[1] << 8 | pdu[2]) + (pdu[3] << 8 | pdu[4]);
    switch (pdu[0]) {
    case MODBUS_FC_READ_HOLDING_REGISTERS:
        return end > map->nb_registers;
    case MODBUS_FC_READ_INPUT_REGISTERS:
        return end > map->nb_input_registers;
    default:
        return false;
    }
}

/*
 * answer serves one request, and returns what modbus_receive does: -1 where the
 * connection is over, or something on the line was no request.
 */
static int answer(modbus_t *ctx, modbus_mapping_t *maps[UNITS], bool flushing)
{
    uint8_t request[MODBUS_MAX_ADU_LENGTH];
    int length = modbus_receive(ctx, request);
    if (length <= 0)
        return length;
    int header = modbus_get_header_length(ctx);
    modbus_mapping_t *map = maps[request[header - 1]];
    if (map == NULL)
        return modbus_reply_exception(ctx, request, MODBUS_EXCEPTION_GATEWAY_TARGET);
    if (flushing && absent(request + header, map))
        modbus_flush(ctx);
    return modbus_reply(ctx, request, length, map);
}

static bool input_ended(void)
{
    char ignored[256];
    return read(STDIN_FILENO, ignored, sizeof ignored) <= 0;
}

static void serve_tcp(modbus_t *ctx, int listener, modbus_mapping_t *maps[UNITS], bool flushing)
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
                if (input_ended())
                    return;
            } else if (fd == listener) {
                int connection = accept(listener, NULL, NULL);
                if (connection < 0 || connection >= FD_SETSIZE)
                    fail("accept", strerror(errno));
                FD_SET(connection, &watched);
                if (top < connection)
                    top = connection;
            } else {
                modbus_set_socket(ctx, fd);
                if (answer(ctx, maps, flushing) < 0) {
                    FD_CLR(fd, &watched);
                    close(fd);
                }
            }
        }
    }
}

static void serve_line(modbus_t *ctx, modbus_mapping_t *maps[UNITS])
{
    int line = modbus_get_socket(ctx);
    for (;;) {
        fd_set ready;
        FD_ZERO(&ready);
        FD_SET(STDIN_FILENO, &ready);
        FD_SET(line, &ready);
        if (select(line + 1, &ready, NULL, NULL, NULL) < 0)
            fail("select", strerror(errno));
        if (FD_ISSET(STDIN_FILENO, &ready) && input_ended())
            return;
        if (FD_ISSET(line, &ready))
            answer(ctx, maps, false);
    }
}

int main(int argc, char *argv[])
{
    if (argc != 3)
        fail("usage", "libmodbus_server tcp|tcp-flushing|rtu PORT|DEVICE");
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdin, NULL, _IOFBF, 1 << 16);

    static struct image *images[UNITS];
    int first = read_image(images);
    static modbus_mapping_t *maps[UNITS];
    for (int unit = 0; unit < UNITS; unit++) {
        if (images[unit] != NULL)
            maps[unit] = map_image(images[unit]);
    }

    if (strcmp(argv[1], "rtu") == 0) {
        modbus_t *ctx = modbus_new_rtu(argv[2], BAUD, 'N', 8, 1);
        if (ctx == NULL || modbus_set_slave(ctx, first) < 0 || modbus_connect(ctx) < 0)
            fail(argv[2], modbus_strerror(errno));
        announce(0);
        serve_line(ctx, maps);
        return 0;
    }
    modbus_t *ctx = modbus_new_tcp("127.0.0.1", (int)number(argv[2], ADDRESSES));
    if (ctx == NULL)
        fail("context", modbus_strerror(errno));
    int listener = modbus_tcp_listen(ctx, 16);
    if (listener < 0)
        fail("listen", modbus_strerror(errno));
    announce(port_of(listener));
    serve_tcp(ctx, listener, maps, strcmp(argv[1], "tcp-flushing") == 0);
    return 0;
}
