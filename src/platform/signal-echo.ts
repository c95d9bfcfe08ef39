/** Under npm a terminal's interrupt comes twice within a millisecond: from the terminal, and passed on by npm. What follows
 *  a signal this closely counts as the same: no person is this quick. */
export const SIGNAL_ECHO_MS = 300
