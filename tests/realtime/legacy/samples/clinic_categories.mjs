// Reception script, Riverside Dental. Moved here from the spreadsheet in 2018, edited by everybody since.
import { formatPhone } from './format.js';

const PHONE = '555 0142';
const COMMON = {
  // whenever the line is bad
  repeat: "I'm sorry, I did not catch that. Could you say it again?",
  hold: 'One moment, please.',
};

export const businessInfo = {
  clinicName: 'Riverside Dental',
  address: '8 Mill Lane, next to the library',
  parking: 'There is free parking behind the house.',
  hours: 'Monday to Friday, 8 am to 6 pm',
};

export const templates = {
  general: {
    ...COMMON,
    greeting: 'Good morning, {{clinicName}}, how may I help you?',
    // asked where we are
    directions: `We are at 8 Mill Lane, next to the library. Call ${PHONE} if you get lost.`,
    opening_hours: {
      text: 'We are open Monday to Friday from 8 am to 6 pm.',
      keywords: ['open', 'opening hours', 'when are you open', 'closed'],
      priority: 3,
    },
    insurance: ({ insurer }) => `We accept ${insurer} and all major dental insurances.`,
  },

  booking: {
    // --- new appointments ---
    new_appointment: {
      text: 'I would be glad to book that for you. Which day suits you?',
      keywords: ['appointment', 'book', 'come in', 'schedule'],
      confidence: 0.8,
      next: 'ask_time',
    },
    ask_time: 'And what time would you like to come?',
    ask_name: 'May I have your full name, please?',
    confirm: 'So that is {date} at {time}. Is that right?',
    booked: 'You are booked for {date} at {time}. We look forward to seeing you.',
    // --- changes ---
    cancel: {
      responses: [
        'No problem, I have cancelled your appointment.',
        'Your appointment is cancelled. Thank you for telling us.',
      ],
      keywords: ['cancel', 'cannot come', "can't make it"],
    },
    reschedule: {
      text: 'Of course. What other day would suit you?',
      keywords: ['move my appointment', 'another day', 'reschedule', 'cancel'],
    },
    fully_booked: 'I am afraid that day is full. The next free day is {nextFreeDay}.',
  },

  emergencies: {
    severe_pain: {
      // verbatim: agreed with Dr Hill, do not change
      text: 'If your face is swelling or you have trouble breathing, hang up and dial 911 now. Otherwise we will see you today.',
      keywords: ['pain', 'swollen', 'bleeding', 'knocked out'],
      priority: 100,
    },
    after_hours: 'For emergencies at night please call 555 0199.',
    transfer_to_dentist: {
      text: 'I am putting you through to the dentist on duty.',
      keywords: ['talk to the dentist', 'speak to a person', 'human'],
      transfer: true,
    },
  },

  billing: {
    price_cleaning: { text: 'A cleaning costs 90 dollars and takes 45 minutes.', keywords: ['how much', 'price', 'cost', 'cleaning'] },
    invoice_question: 'I will ask our billing office to call you back.',
    // deprecated since the new tariff of 2022
    price_old: { text: 'A cleaning costs 70 dollars.', keywords: ['seventy dollars'] },
    payment: "You can pay cash or by card." + ' ' + 'We do not take cheques.',
  },

  endings: {
    goodbye: { text: 'Thank you for calling {{clinicName}}. Goodbye.', keywords: ['bye', 'that is all', "that's all"], end_call: true },
    voicemail: { text: 'Please call us back at 555 0142. Goodbye.', hangup: true },
  },
};

templates.general.languages = 'We speak English and Spanish.';

export const requiredFields = ['patientName', 'date', 'time', 'insurer'];

export default { templates, businessInfo, timeoutMs: 4000, pick(list) { return list[Math.floor(Math.random() * list.length)]; } };
