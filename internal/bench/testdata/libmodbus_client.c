/*
 * Polls 125 holding registers by libmodbus, one request after the other.
 *
 *     libmodbus_client HOST:PORT WARMUP_SECONDS SECONDS
 *
 * It prints what it took, as the Go clients do: requests, wall and processor
 * time, in the JSON of struct usage in measure.go.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <modbus.h>

enum { REGISTERS = 125, BETWEEN_CLOCKS = 64 };

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static double wall(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double processor(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* poll makes requests for the given time and returns how many. */
static long poll_for(modbus_t *ctx, double seconds)
{
    uint16_t registers[REGISTERS];
    long requests = 0;
    for (double end = wall() + seconds; wall() < end;) {
        for (int i = 0; i < BETWEEN_CLOCKS; i++, requests++) {
            if (modbus_read_registers(ctx, 0, REGISTERS, registers) != REGISTERS)
                fail("read", modbus_strerror(errno));
            for (int r = 0; requests == 0 && r < REGISTERS; r++) {
                if (registers[r] != r + 1)
                    fail("read", "wrong value");
            }
        }
    }
    return requests;
}

int main(int argc, char *argv[])
{
    char *colon = argc == 4 ? strrchr(argv[1], ':') : NULL;
    if (colon == NULL)
        fail("usage", "libmodbus_client HOST:PORT WARMUP_SECONDS SECONDS");
    *colon = '\0';
    modbus_t *ctx = modbus_new_tcp(argv[1], atoi(colon + 1));
    if (ctx == NULL || modbus_set_slave(ctx, 1) != 0 || modbus_connect(ctx) != 0)
        fail("connect", modbus_strerror(errno));

    poll_for(ctx, atof(argv[2]));
    double used = processor(), started = wall();
    long requests = poll_for(ctx, atof(argv[3]));
    double seconds = wall() - started, busy = processor() - used;
    printf("{\"Requests\":%ld,\"Wall\":%.9f,\"CPU\":%.6f}\n", requests, seconds, busy);

    modbus_close(ctx);
    modbus_free(ctx);
    return 0;
}
