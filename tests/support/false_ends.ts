/**
 * What some mail server was seen to take for the end of a message (CVE-2023-51764, -51765, -51766), and none may: the
 * union of the published lists.
 */
export const FALSE_ENDS: readonly string[] = [
  "\n.\n",
  "\n.\r",
  "\r.\n",
  "\r.\r",
  "\n.\r\n",
  "\r.\r\n",
  "\r\n.\n",
  "\r\n.\r",
  "\r\n.\r\r\n",
  "\r\r\n.\r\r\n",
  "\r\n\0.\r\n",
  "\r\n.\0\r\n",
];
