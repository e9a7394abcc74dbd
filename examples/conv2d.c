/* y[n,r,q,k] += sum over i, j, c of x[n, r*down + i, q*right + j, c] * w[i,j,c,k]: NHWC, HWIO, VALID, one group. */

#define CONV2D(NAME, REAL)                                                                                         \
    void NAME(const REAL *x, const REAL *w, REAL *y, long batch, long height, long width, long channels,           \
              long tall, long wide, long outputs, long rows, long columns, long down, long right)                  \
    {                                                                                                              \
        for (long n = 0; n < batch; n++)                                                                           \
            for (long r = 0; r < rows; r++)                                                                        \
                for (long q = 0; q < columns; q++, y += outputs)                                                   \
                    for (long i = 0; i < tall; i++)                                                                \
                        for (long j = 0; j < wide; j++) {                                                          \
                            const REAL *pixel = x + ((n * height + r * down + i) * width + q * right + j) * channels; \
                            const REAL *weight = w + (i * wide + j) * channels * outputs;                          \
                            for (long c = 0; c < channels; c++)                                                    \
                                for (long k = 0; k < outputs; k++)                                                 \
                                    y[k] += pixel[c] * weight[c * outputs + k];                                    \
                        }                                                                                          \
    }

CONV2D(conv2d_float, float)
CONV2D(conv2d_double, double)
